-- Do discounts raise the basket?
-- Orders with and without a discount, then by how much was taken off (`depth`), then by the habit of the
-- customer (with three orders or more: on discount only, never, sometimes). `median_difference` is against
-- orders without discount, with its 95 % interval; `verdict` says larger or smaller where the q-value of the
-- order values is below 0.05. `standardised_aov` gives both sides the same mix of categories. It describes
-- and proves no effect: large baskets earn discounts, and discounts make large baskets.
with final as (
    select
        d.breakdown,
        d.member,
        d.orders,
        d.order_share,
        d.customers,
        d.units,
        d.units_per_order,
        d.ordered_value,
        d.aov,
        d.median_order_value,
        d.median_difference,
        d.median_difference_low,
        d.median_difference_high,
        d.q_value,
        case
            when d.q_value < 0.05 and d.probability_of_more > 0.5 then 'larger'
            when d.q_value < 0.05 and d.probability_of_more < 0.5 then 'smaller'
            when d.q_value is not null then 'not distinguishable'
        end as verdict,
        d.standardised_aov,
        d.standardised_aov_without,
        d.low_n,
        d.currency,
        d.sort_order
    from kpi.discount_effect as d
)

select * from final
order by sort_order, breakdown, member
