-- One row per customer: the names of the ten products to offer side by side, with what a campaign needs to know of
-- the customer, for tools that want one row per person. Lists that are longer are cut at ten here; why a product
-- is offered stands in recommendation.for_customer.
with listed as (
    select
        r.customer_id,
        r.rank,
        r.product_id,
        r.product_name,
        r.model,
        r.is_fallback
    from recommendation.for_customer as r
),

lists as (
    select
        l.customer_id,
        max(l.model) as model,
        bool_and(l.is_fallback) as is_fallback,
        count(*) as recommendations,
        max(case when l.rank = 1 then l.product_name end) as rec_1,
        max(case when l.rank = 2 then l.product_name end) as rec_2,
        max(case when l.rank = 3 then l.product_name end) as rec_3,
        max(case when l.rank = 4 then l.product_name end) as rec_4,
        max(case when l.rank = 5 then l.product_name end) as rec_5,
        max(case when l.rank = 6 then l.product_name end) as rec_6,
        max(case when l.rank = 7 then l.product_name end) as rec_7,
        max(case when l.rank = 8 then l.product_name end) as rec_8,
        max(case when l.rank = 9 then l.product_name end) as rec_9,
        max(case when l.rank = 10 then l.product_name end) as rec_10,
        max(case when l.rank = 1 then l.product_id end) as rec_1_product_id,
        max(case when l.rank = 2 then l.product_id end) as rec_2_product_id,
        max(case when l.rank = 3 then l.product_id end) as rec_3_product_id,
        max(case when l.rank = 4 then l.product_id end) as rec_4_product_id,
        max(case when l.rank = 5 then l.product_id end) as rec_5_product_id,
        max(case when l.rank = 6 then l.product_id end) as rec_6_product_id,
        max(case when l.rank = 7 then l.product_id end) as rec_7_product_id,
        max(case when l.rank = 8 then l.product_id end) as rec_8_product_id,
        max(case when l.rank = 9 then l.product_id end) as rec_9_product_id,
        max(case when l.rank = 10 then l.product_id end) as rec_10_product_id
    from listed as l
    group by l.customer_id
),

final as (
    select
        c.customer_id,
        c.gender,
        c.age_group,
        c.location,
        f.segment as rfm_segment,
        c.marketing_consent,
        l.model,
        l.is_fallback,
        coalesce(l.recommendations, 0) as recommendations,
        l.rec_1,
        l.rec_2,
        l.rec_3,
        l.rec_4,
        l.rec_5,
        l.rec_6,
        l.rec_7,
        l.rec_8,
        l.rec_9,
        l.rec_10,
        l.rec_1_product_id,
        l.rec_2_product_id,
        l.rec_3_product_id,
        l.rec_4_product_id,
        l.rec_5_product_id,
        l.rec_6_product_id,
        l.rec_7_product_id,
        l.rec_8_product_id,
        l.rec_9_product_id,
        l.rec_10_product_id
    from core.customers as c
    left join lists as l on c.customer_id = l.customer_id
    left join customer.rfm as f on c.customer_id = f.customer_id
)

select * from final
