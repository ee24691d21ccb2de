-- One row per type of device: how its visits buy, against visits on all other known types. A slice of
-- behavior.effects; what the columns compare and test is said there. `shared_visitors` also come on another
-- type of device. `standardised_conversion` is the conversion that the device would have if its visits came
-- from the same mix of locations as all visits.
with final as (
    select
        e.member as device_type,
        e.sessions,
        e.share,
        e.visitors,
        e.customers,
        e.shared_visitors,
        e.converted_sessions,
        e.session_conversion,
        e.ci_low,
        e.ci_high,
        e.buyers,
        e.orders,
        e.net_sales,
        e.aov,
        e.median_order_value,
        e.net_sales_per_session,
        e.customer_net_sales,
        e.net_sales_per_customer,
        e.currency,
        e.rest_sessions,
        e.rest_converted_sessions,
        e.rest_conversion,
        e.conversion_difference,
        e.difference_ci_low,
        e.difference_ci_high,
        e.standard_error,
        e.design_effect,
        e.p_value,
        e.q_value,
        e.conversion_verdict,
        e.rest_orders,
        e.rest_median_order_value,
        e.median_difference,
        e.median_difference_ci_low,
        e.median_difference_ci_high,
        e.superiority,
        e.order_value_design_effect,
        e.order_value_p_value,
        e.order_value_q_value,
        e.order_value_verdict,
        e.standardised_conversion,
        e.standardised_coverage,
        e.low_n
    from behavior.effects as e
    where e.dimension = 'device_type'
)

select * from final
