-- Which pairs of products sell better in a season, a store or a segment than elsewhere?
-- For each season, store and segment the ten pairs that most exceed what they do everywhere, by more than chance
-- (q-value below 0.05 over all that were compared): offer them there first. `confidence` is the part of the group's
-- orders with the product that holds the other one, too; all groups are in recommendation.pairs_by_group.
with ranked as (
    select
        g.dimension,
        g.member_name as group_name,
        g.product_id,
        g.product_name,
        g.recommended_product_id,
        g.recommended_product_name,
        g.product_orders,
        g.orders,
        g.expected_orders,
        g.confidence,
        g.ci_low,
        g.ci_high,
        g.overall_confidence,
        row_number() over (
            partition by g.dimension, g.member
            order by g.orders - g.expected_orders desc, g.product_id, g.recommended_product_id
        ) as rank
    from recommendation.pairs_by_group as g
    where g.verdict = 'stronger'
),

final as (
    select
        r.dimension,
        r.group_name,
        r.rank,
        r.product_id,
        r.product_name,
        r.recommended_product_id,
        r.recommended_product_name,
        r.product_orders,
        r.orders,
        r.expected_orders,
        r.confidence,
        r.ci_low,
        r.ci_high,
        r.overall_confidence
    from ranked as r
    where r.rank <= 10
)

select * from final
order by dimension, group_name, rank
