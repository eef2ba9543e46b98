//! The resource types of FHIR R4.

use std::sync::LazyLock;

/// Whether FHIR R4 has a resource type of this name.
#[must_use]
pub fn is_kind(name: &str) -> bool {
    KINDS.binary_search(&name).is_ok()
}

/// All of them, sorted.
pub(super) static KINDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| NAMES.split_ascii_whitespace().collect());

const NAMES: &str = "
Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent Basic Binary
BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem
ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication CommunicationRequest
CompartmentDefinition Composition ConceptMap Condition Consent Contract Coverage CoverageEligibilityRequest
CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest DeviceUseStatement
DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis Encounter Endpoint EnrollmentRequest
EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceVariable ExampleScenario ExplanationOfBenefit
FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse HealthcareService ImagingStudy Immunization
ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide InsurancePlan Invoice Library Linkage List
Location Measure MeasureReport Media Medication MedicationAdministration MedicationDispense MedicationKnowledge
MedicationRequest MedicationStatement MedicinalProduct MedicinalProductAuthorization MedicinalProductContraindication
MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction MedicinalProductManufactured
MedicinalProductPackaged MedicinalProductPharmaceutical MedicinalProductUndesirableEffect MessageDefinition
MessageHeader MolecularSequence NamingSystem NutritionOrder Observation ObservationDefinition OperationDefinition
OperationOutcome Organization OrganizationAffiliation Parameters Patient PaymentNotice PaymentReconciliation Person
PlanDefinition Practitioner PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse RelatedPerson
RequestGroup ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject RiskAssessment
RiskEvidenceSynthesis Schedule SearchParameter ServiceRequest Slot Specimen SpecimenDefinition StructureDefinition
StructureMap Subscription Substance SubstanceNucleicAcid SubstancePolymer SubstanceProtein
SubstanceReferenceInformation SubstanceSourceMaterial SubstanceSpecification SupplyDelivery SupplyRequest Task
TerminologyCapabilities TestReport TestScript ValueSet VerificationResult VisionPrescription
";

#[cfg(test)]
mod tests {
    use super::{KINDS, is_kind};
    use crate::request::hook::ORDERS;

    #[test]
    fn r4_has_146_types_and_no_others() {
        assert_eq!(KINDS.len(), 146);
        assert!(KINDS.is_sorted());
        assert!(ORDERS.into_iter().chain(["Coverage", "Bundle", "OperationOutcome", "Binary"]).all(is_kind));
        for none in ["", "Resource", "ProcedureRequest", "serviceRequest", "ServiceRequest ", "NutritionProduct", "\n"]
        {
            assert!(!is_kind(none), "{none}");
        }
    }
}
